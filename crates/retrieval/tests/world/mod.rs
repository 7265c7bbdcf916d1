//! A small world to search in: a data folder, tenants, folders of records.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Class, GroupId, KeyId, Label, Principal, Residency, Subject, TenantId};
use corpus::{AddOptions, Corpora, Corpus, NewCorpus};
use engine::Engine;
use engine::fake::FakeEngine;
use guard::{Guard, SearchPermit};
use retrieval::{Config, Found, Mode, Query, Search};
use store::{DataLock, Store};

pub struct World {
    pub dir: tempfile::TempDir,
    pub store: Arc<Store>,
    pub corpora: Arc<Corpora>,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let lock = DataLock::take(&data).unwrap();
        let store = Store::open(&data, lock, &[corpus::SCHEMA, retrieval::SCHEMA]).await.unwrap();
        let store = Arc::new(store);
        Self { dir, corpora: Arc::new(Corpora::new(store.clone())), store }
    }

    pub fn index_dir(&self) -> PathBuf {
        self.dir.path().join("data").join("words")
    }

    pub fn config(&self) -> Config {
        Config { background: false, ..Config::new(self.index_dir()) }
    }

    pub async fn search(&self) -> Arc<Search> {
        self.search_with(None, self.config()).await
    }

    pub async fn search_with(&self, embedder: Option<Arc<dyn Engine>>, config: Config) -> Arc<Search> {
        Search::open(self.store.clone(), self.corpora.clone(), embedder, config).await.unwrap()
    }

    pub async fn corpus(&self, tenant: TenantId, name: &str) -> Corpus {
        let new = NewCorpus { name: name.into(), title: String::new(), label: label(), readers: [].into() };
        self.corpora.create(tenant, new).await.unwrap()
    }

    /// Writes files into the corpus's folder and adds the folder.
    pub async fn add(&self, corpus: &Corpus, files: &[(&str, &str)]) {
        self.add_as(corpus, files, &AddOptions::default()).await;
    }

    pub async fn add_as(&self, corpus: &Corpus, files: &[(&str, &str)], options: &AddOptions) {
        let folder = self.folder(corpus);
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let report = self.corpora.add(corpus, &[folder], options, &|_| {}).await.unwrap();
        assert_eq!(report.failed_count, 0, "{report:?}");
    }

    /// Adds one more record beside the corpus's folder, with options of its own.
    pub async fn add_one_as(&self, corpus: &Corpus, name: &str, text: &str, options: &AddOptions) {
        let folder = self.dir.path().join("single");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
        let report = self.corpora.add(corpus, &[folder.join(name)], options, &|_| {}).await.unwrap();
        assert_eq!((report.added, report.failed_count), (1, 0), "{report:?}");
    }

    pub fn folder(&self, corpus: &Corpus) -> PathBuf {
        self.dir.path().join("records").join(corpus.id.to_string())
    }

    pub fn permit(&self, principal: &Principal, corpora: &[&Corpus]) -> SearchPermit {
        let terms: Vec<_> = corpora.iter().map(|corpus| self.corpora.terms(corpus)).collect();
        Guard::default().may_search(principal, &terms, &"answering".parse().unwrap()).unwrap()
    }
}

pub fn label() -> Label {
    Label {
        class: Class::Open,
        residency: Residency::Anywhere,
        purposes: ["answering".parse().unwrap()].into(),
        licences: BTreeSet::new(),
    }
}

pub fn person(tenant: TenantId, groups: &[GroupId]) -> Principal {
    Principal {
        tenant,
        subject: Subject::Service(KeyId::new()),
        groups: groups.iter().copied().collect(),
        input_class: Class::Open,
        read_class_max: Class::Sensitive,
        administrator: false,
    }
}

pub fn embedder() -> Arc<FakeEngine> {
    Arc::new(FakeEngine::echo("fake").with_dimensions(64))
}

pub fn by(mode: Mode, text: &str) -> Query {
    Query { mode, ..Query::new(text) }
}

pub fn words(text: &str) -> Query {
    by(Mode::Words, text)
}

pub fn paths(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| hit.path.as_str()).collect()
}

/// Ranking and scores, without what time does.
pub fn ranking(found: &Found) -> Vec<(u32, f32)> {
    found.hits.iter().map(|hit| (hit.passage.0, hit.score)).collect()
}

pub fn remove(path: &Path) {
    std::fs::remove_dir_all(path).unwrap();
}

/// Many small records about pumps and taxes.
pub fn records(count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|number| {
            let subject = ["펌프 점검", "취득세 감면", "회의록 공개", "수질 검사"][number % 4];
            let text = format!(
                "# {subject} {number}\n\n{subject}에 관한 기록이다. 번호는 {number}이고 담당은 {}과다.\n",
                number % 7
            );
            (format!("{:03}/{number:05}.md", number / 100), text)
        })
        .collect()
}

//! A data folder with one empty corpus, and a folder for records.

#![allow(dead_code, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Class, Country, GroupId, Label, Principal, Residency, Subject, TenantId};
use corpus::{AddError, AddOptions, AddReport, Corpora, Corpus, DocumentPage, NewCorpus, SCHEMA};
use guard::Guard;
use store::{DataLock, Store};
use tempfile::TempDir;

pub struct House {
    pub dir: TempDir,
    pub store: Arc<Store>,
    pub corpora: Corpora,
    pub tenant: TenantId,
    pub corpus: Corpus,
}

pub fn label(class: Class) -> Label {
    Label {
        class,
        residency: Residency::Only([Country::KR].into()),
        purposes: ["answering".parse().unwrap()].into(),
        licences: [].into(),
    }
}

pub fn new_corpus(name: &str, class: Class, readers: &[GroupId]) -> NewCorpus {
    let readers = readers.iter().copied().collect();
    NewCorpus { name: name.to_owned(), title: String::new(), label: label(class), readers }
}

impl House {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(dir.path().join("records")).unwrap();
        let store = Arc::new(Store::open(&data, DataLock::take(&data).unwrap(), &[SCHEMA]).await.unwrap());
        let corpora = Corpora::new(store.clone());
        let tenant = TenantId::new();
        let corpus = corpora.create(tenant, new_corpus("법령", Class::Open, &[])).await.unwrap();
        Self { dir, store, corpora, tenant, corpus }
    }

    pub fn records(&self) -> PathBuf {
        self.dir.path().join("records")
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.records().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub async fn add(&self, path: &Path) -> AddReport {
        self.try_add(path, &AddOptions::default()).await.unwrap()
    }

    pub async fn add_records(&self) -> AddReport {
        self.add(&self.records()).await
    }

    pub async fn try_add(&self, path: &Path, options: &AddOptions) -> Result<AddReport, AddError> {
        self.corpora.add(&self.corpus, &[path.to_owned()], options, &|_| {}).await
    }

    pub async fn paths(&self) -> Vec<String> {
        self.listed(&self.reader(Class::Classified, &[]), &DocumentPage::default()).await.0
    }

    /// Somebody of the tenant who reads up to `class`.
    pub fn reader(&self, class: Class, groups: &[GroupId]) -> Principal {
        Principal {
            tenant: self.tenant,
            subject: Subject::Service(base::KeyId::new()),
            groups: groups.iter().copied().collect(),
            input_class: Class::Open,
            read_class_max: class,
            administrator: false,
        }
    }

    /// The paths on a page, how many documents there are in all, and whether more follow.
    pub async fn listed(&self, reader: &Principal, page: &DocumentPage) -> (Vec<String>, u64, bool) {
        let terms = self.corpora.terms(&self.corpus);
        let permit = Guard::default().may_search(reader, &[terms], &"answering".parse().unwrap()).unwrap();
        let list = self.corpora.documents(self.corpus.id, &permit, page).await.unwrap();
        (list.documents.into_iter().map(|document| document.path).collect(), list.total, list.more)
    }

    pub async fn upload(&self, files: &[(&str, &[u8])]) -> AddReport {
        let mut upload = self.corpora.begin_upload().await.unwrap();
        for (name, bytes) in files {
            upload.begin(name);
            for part in bytes.chunks(7) {
                upload.write(part).await.unwrap();
            }
        }
        self.corpora.add_upload(&self.corpus, upload, &AddOptions::default(), &|_| {}).await.unwrap()
    }

    pub async fn text(&self, path: &str) -> String {
        self.corpora.show(self.corpus.id, path).await.unwrap().text.to_string()
    }

    /// Holds the passage log to what it promises.
    pub async fn check_log(&self) {
        let revisions = self.corpora.changes_after(0, 100_000).await.unwrap();
        let mut taken = std::collections::BTreeMap::new();
        let mut change = 0;
        for revision in &revisions {
            assert!(revision.change > change);
            change = revision.change;
            for passage in revision.passages.clone() {
                assert!(taken.insert(passage, revision.revision).is_none(), "passage {passage} is given twice");
            }
            let rows = self.corpora.passages_of(revision.passages.clone()).await.unwrap();
            if revision.forgotten {
                assert!(rows.is_empty());
                continue;
            }
            assert_eq!(rows.len(), revision.passages.len());
            let text = self.corpora.text(revision.revision).await.unwrap().unwrap();
            assert_eq!(text.len() as u64, revision.text_bytes);
            let mut at = 0;
            for row in rows {
                assert_eq!(row.revision, revision.revision);
                assert!(row.span.start >= at && row.span.start < row.span.end);
                assert_eq!(row.text(), &text[row.span.start as usize..row.span.end as usize]);
                assert_eq!(row.headings.first(), Some(&revision.title));
                at = row.span.end;
            }
        }
        assert_eq!(self.corpora.head().await.unwrap(), change);
        let numbers: Vec<u32> = taken.into_keys().collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
        let mut write = self.store.write().await.unwrap();
        for orphans in [
            "SELECT count(*) FROM passage WHERE revision NOT IN (SELECT number FROM revision)",
            "SELECT count(*) FROM document WHERE revision NOT IN (SELECT number FROM revision WHERE removed_version IS NULL)",
            "SELECT count(*) FROM revision WHERE removed_version IS NULL AND number NOT IN (SELECT revision FROM document WHERE revision IS NOT NULL)",
            "SELECT count(*) FROM revision WHERE forgotten = 0 AND number NOT IN (SELECT revision FROM document_text)",
        ] {
            let count: i64 = sqlx::query_scalar(orphans).fetch_one(&mut *write).await.unwrap();
            assert_eq!(count, 0, "{orphans}");
        }
    }
}

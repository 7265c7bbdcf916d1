//! The vectors in the store.

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;
use store::{Store, StoreError};

use super::Vector;
use crate::words::TextHash;

/// Hashes that one question to the database names.
const HASHES_MAX: usize = 1024;

type Row = (Vec<u8>, f64, Vec<u8>);

/// The stored vectors of one model.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub store: Arc<Store>,
    pub model: String,
    pub dimensions: usize,
}

impl Table {
    /// Those of `hashes` that have a vector.
    pub async fn find(&self, hashes: &[TextHash]) -> Result<HashMap<TextHash, Vector>, StoreError> {
        let mut found = HashMap::with_capacity(hashes.len());
        for part in hashes.chunks(HASHES_MAX) {
            let names: Vec<String> = part.iter().map(hex).collect();
            let names = serde_json::to_string(&names).map_err(|error| StoreError::Broken(error.to_string()))?;
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT v.hash, v.scale, v.codes FROM json_each(?) wanted
                 JOIN vector v ON v.model = ? AND v.hash = unhex(wanted.value)",
            )
            .bind(names)
            .bind(&self.model)
            .fetch_all(self.store.read())
            .await?;
            found.extend(rows.into_iter().filter_map(|row| self.vector(row)));
        }
        Ok(found)
    }

    /// All vectors of the model.
    pub async fn all(&self) -> Result<HashMap<TextHash, Vector>, StoreError> {
        let mut rows = sqlx::query_as("SELECT hash, scale, codes FROM vector WHERE model = ?")
            .bind(&self.model)
            .fetch(self.store.read());
        let mut found = HashMap::new();
        while let Some(row) = rows.try_next().await? {
            found.extend(self.vector(row));
        }
        Ok(found)
    }

    /// Keeps vectors; those that are there already stay as they are.
    pub async fn keep(&self, vectors: &[(TextHash, Vector)]) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        for (hash, vector) in vectors {
            sqlx::query("INSERT INTO vector (model, hash, scale, codes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
                .bind(&self.model)
                .bind(hash.as_slice())
                .bind(f64::from(vector.scale))
                .bind(vector.codes.iter().map(|&code| code as u8).collect::<Vec<_>>())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Removes vectors of every model, because their text is forgotten.
    pub async fn forget(store: &Store, hashes: &[TextHash]) -> Result<(), StoreError> {
        let mut write = store.write().await?;
        for hash in hashes {
            sqlx::query("DELETE FROM vector WHERE hash = ?").bind(hash.as_slice()).execute(&mut *write).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// A row as a vector; one that is damaged counts as missing and is made again.
    fn vector(&self, (hash, scale, codes): Row) -> Option<(TextHash, Vector)> {
        let hash = hash.try_into().ok()?;
        let fits = codes.len() == self.dimensions && scale.is_finite() && scale >= 0.0;
        fits.then(|| (hash, Vector { scale: scale as f32, codes: codes.iter().map(|&code| code as i8).collect() }))
    }
}

fn hex(hash: &TextHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

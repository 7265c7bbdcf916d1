//! People and groups that change: who is in which group, who may not ask for now.

use std::collections::BTreeSet;

use base::{GroupId, TenantId};
use jiff::Timestamp;

use super::{Group, Person, Tenancy, missing, now};
use crate::TenancyError;

/// What is to change of a person; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct PersonChange {
    /// The groups, by name, that the person is to be in.
    pub groups: Option<Vec<String>>,
    /// Whether the person's keys are to be refused.
    pub suspended: Option<bool>,
}

impl Tenancy {
    /// The person of this name or id.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub fn person(&self, tenant: TenantId, name: &str) -> Result<Person, TenancyError> {
        let found = self.people(tenant).into_iter().find(|person| person.name == name || person.id.to_string() == name);
        found.ok_or_else(|| missing("person", name))
    }

    /// Changes a person. It holds from the next request on, with every key that the person has.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`] for the person or a group.
    pub async fn change_person(
        &self,
        tenant: TenantId,
        name: &str,
        change: PersonChange,
    ) -> Result<Person, TenancyError> {
        let _changing = self.changing.lock().await;
        let mut person = self.person(tenant, name)?;
        if let Some(names) = &change.groups {
            person.groups = self.group_ids(tenant, names)?;
        }
        match change.suspended {
            Some(true) => {
                person.suspended.get_or_insert_with(now);
            }
            Some(false) => person.suspended = None,
            None => {}
        }
        let mut write = self.store.write().await?;
        sqlx::query("UPDATE person SET suspended = ? WHERE id = ?")
            .bind(person.suspended.map(Timestamp::as_millisecond))
            .bind(person.id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        sqlx::query("DELETE FROM person_group WHERE person = ?")
            .bind(person.id.as_bytes().as_slice())
            .execute(&mut *write)
            .await?;
        for group in &person.groups {
            sqlx::query("INSERT INTO person_group (person, reader_group) VALUES (?, ?)")
                .bind(person.id.as_bytes().as_slice())
                .bind(group.as_bytes().as_slice())
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        self.state.lock().people.insert(person.id, person.clone());
        self.state.departures.send_replace(());
        Ok(person)
    }

    /// Removes a group; nobody is in it any more. What names it as a reader still does, so it opens nothing.
    ///
    /// # Errors
    /// [`TenancyError::NotFound`].
    pub async fn remove_group(&self, tenant: TenantId, name: &str) -> Result<Group, TenancyError> {
        let _changing = self.changing.lock().await;
        let group = self.group(tenant, name)?;
        let mut write = self.store.write().await?;
        for statement in [
            "DELETE FROM person_group WHERE reader_group = ?",
            "DELETE FROM key_group WHERE reader_group = ?",
            "DELETE FROM reader_group WHERE id = ?",
        ] {
            sqlx::query(statement).bind(group.id.as_bytes().as_slice()).execute(&mut *write).await?;
        }
        write.commit().await?;
        let mut inner = self.state.lock();
        let leave = |groups: &mut BTreeSet<GroupId>| {
            groups.remove(&group.id);
        };
        inner.people.values_mut().for_each(|person| leave(&mut person.groups));
        inner.keys.values_mut().for_each(|key| leave(&mut key.info.groups));
        inner.groups.remove(&group.id);
        Ok(group)
    }
}

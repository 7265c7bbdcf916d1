//! Tenants, groups, people, keys.

use serde_json::json;

use super::{Context, list, text};
use crate::cli::{Group, Key, Person, Tenant};
use crate::client::percent_encoded;
use crate::print;

pub async fn tenant(context: &Context<'_>, command: &Tenant) -> anyhow::Result<()> {
    match command {
        Tenant::Create { name, quota_tokens } => {
            let made = context.post("/api/v1/tenants", json!({ "name": name, "quota_tokens": quota_tokens })).await?;
            context.show(&made, |_| print::out(&format!("tenant `{name}` made; act in it with `--tenant {name}`")));
        }
        Tenant::List => {
            let all = context.all("/api/v1/tenants").await?;
            let columns = [("NAME", "name"), ("QUOTA", "quota_tokens"), ("USED", "used_tokens"), ("SINCE", "created")];
            context.show(&all, |all| list(all, &columns));
        }
        Tenant::Quota { name, tokens } => {
            let path = format!("/api/v1/tenants/{}/quota", percent_encoded(name));
            let changed = context.put(&path, json!({ "quota_tokens": tokens })).await?;
            context.show(&changed, |changed| {
                print::out(&format!("tenant `{name}` may use {} tokens", text(changed, "quota_tokens")));
            });
        }
    }
    Ok(())
}

pub async fn group(context: &Context<'_>, command: &Group) -> anyhow::Result<()> {
    match command {
        Group::Create { name } => {
            let made = context.post("/api/v1/groups", json!({ "name": name })).await?;
            context.show(&made, |_| print::out(&format!("group `{name}` made")));
        }
        Group::List => {
            let all = context.all("/api/v1/groups").await?;
            context.show(&all, |all| list(all, &[("NAME", "name"), ("ID", "id"), ("SINCE", "created")]));
        }
    }
    Ok(())
}

pub async fn person(context: &Context<'_>, command: &Person) -> anyhow::Result<()> {
    match command {
        Person::Create { name, group } => {
            let made = context.post("/api/v1/people", json!({ "name": name, "groups": group })).await?;
            context.show(&made, |_| print::out(&format!("person `{name}` made")));
        }
        Person::List => {
            let all = context.all("/api/v1/people").await?;
            let columns = [("NAME", "name"), ("ID", "id"), ("GROUPS", "groups"), ("SINCE", "created")];
            context.show(&all, |all| list(all, &columns));
        }
    }
    Ok(())
}

pub async fn key(context: &Context<'_>, command: &Key) -> anyhow::Result<()> {
    match command {
        Key::Create { name, person, group, input_class, read_class, administrator } => {
            let body = json!({
                "name": name,
                "person": person,
                "groups": group,
                "input_class": input_class,
                "read_class": read_class,
                "administrator": administrator,
            });
            let made = context.post("/api/v1/keys", body).await?;
            context.show(&made, |made| {
                eprintln!("key `{name}` made; it is shown this once:");
                print::out(&text(made, "key"));
            });
        }
        Key::List => {
            let all = context.all("/api/v1/keys").await?;
            let columns = [
                ("NAME", "name"),
                ("ID", "id"),
                ("INPUT", "input_class"),
                ("READS", "read_class"),
                ("ADMINISTERS", "administrator"),
                ("SINCE", "created"),
                ("REVOKED", "revoked"),
            ];
            context.show(&all, |all| list(all, &columns));
        }
        Key::Revoke { name } => {
            let gone = context.delete(&format!("/api/v1/keys/{}", percent_encoded(name))).await?;
            context.show(&gone, |_| print::out(&format!("key `{name}` is no longer accepted")));
        }
    }
    Ok(())
}

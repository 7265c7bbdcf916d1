//! Approvals: what waits for somebody's word, and saying it.

use serde_json::{Value, json};

use super::{Context, fields, text};
use crate::cli::{Answer, Approval};
use crate::client::percent_encoded;
use crate::print;

pub async fn run(context: &Context<'_>, command: &Approval) -> anyhow::Result<()> {
    match command {
        Approval::List { state } => {
            let filter = state.as_ref().map_or_else(String::new, |state| format!("?state={state}"));
            let all = context.all(&format!("/api/v1/approvals{filter}")).await?;
            context.show(&all, table);
        }
        Approval::Show { id } => {
            let request = context.get(&format!("/api/v1/approvals/{}", percent_encoded(id))).await?;
            context.show(&request, show);
        }
        Approval::Approve { answer, days } => {
            say(context, answer, json!({ "answer": "approve", "reason": answer.reason, "days": days })).await?;
        }
        Approval::Decline { answer } => {
            say(context, answer, json!({ "answer": "decline", "reason": answer.reason })).await?;
        }
    }
    Ok(())
}

async fn say(context: &Context<'_>, answer: &Answer, body: Value) -> anyhow::Result<()> {
    let request = context.post(&format!("/api/v1/approvals/{}", percent_encoded(&answer.id)), body).await?;
    context.show(&request, |request| print::out(&format!("request `{}` is {}", answer.id, text(request, "state"))));
    Ok(())
}

fn table(all: &Value) {
    let heads = ["ID", "ASKED", "WHO", "WHAT", "CLASS", "BY", "STATE"].map(str::to_owned).to_vec();
    let rows = all.as_array().into_iter().flatten().map(|request| {
        vec![
            text(request, "id"),
            text(request, "asked"),
            who(request),
            what(request),
            text(request, "question/text/class"),
            text(request, "groups"),
            text(request, "state"),
        ]
    });
    print::table(&std::iter::once(heads).chain(rows).collect::<Vec<_>>());
}

fn show(request: &Value) {
    let told = json!({
        "id": request["id"],
        "asked": request["asked"],
        "who": who(request),
        "what": what(request),
        "class": request["question"]["text"]["class"],
        "route": request["question"]["route"],
        "purpose": request["question"]["purpose"],
        "groups": request["groups"],
        "state": request["state"],
    });
    fields(
        &told,
        &[
            ("ID", "id"),
            ("ASKED", "asked"),
            ("WHO", "who"),
            ("WHAT", "what"),
            ("CLASS", "class"),
            ("ROUTE", "route"),
            ("PURPOSE", "purpose"),
            ("BY", "groups"),
            ("STATE", "state"),
        ],
    );
    for approval in request["approvals"].as_array().into_iter().flatten() {
        print::out(&format!(
            "approved by {} of {} until {}: {}",
            text(approval, "approver"),
            text(approval, "group"),
            text(approval, "until"),
            text(approval, "reason")
        ));
    }
    if let Some(declined) = request.get("declined").filter(|declined| !declined.is_null()) {
        print::out(&format!("declined by {}: {}", text(declined, "by"), text(declined, "reason")));
    }
}

fn who(request: &Value) -> String {
    let who = &request["question"]["who"];
    let id = text(who, "id");
    if id.is_empty() { text(who, "kind") } else { id }
}

/// What is to happen, in a few words: `send to far (US)`.
fn what(request: &Value) -> String {
    let Some((act, to)) = request["question"]["act"].as_object().and_then(|act| act.iter().next()) else {
        return "-".to_owned();
    };
    match act.as_str() {
        "declassify" => format!("lower to {}", text(to, "to")),
        "search" => "search".to_owned(),
        act => format!("{} to {} ({})", act.replace('_', " "), text(to, "name"), text(to, "country")),
    }
}

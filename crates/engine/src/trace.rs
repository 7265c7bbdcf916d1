//! The trace that a request belongs to, for engines that ask others on its behalf.

tokio::task_local! {
    static TRACEPARENT: Option<String>;
}

/// Does `work` as a part of the trace that `traceparent` names (W3C Trace Context), if it names one.
pub async fn within_trace<W: Future>(traceparent: Option<String>, work: W) -> W::Output {
    TRACEPARENT.scope(traceparent, work).await
}

/// What an engine that asks another server sends along as `traceparent`.
pub fn traceparent() -> Option<String> {
    TRACEPARENT.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_knows_its_trace_and_other_work_does_not() {
        let known = within_trace(Some("00-a-b-01".to_owned()), async { traceparent() }).await;
        assert_eq!(known.as_deref(), Some("00-a-b-01"));
        assert_eq!(within_trace(None, async { traceparent() }).await, None);
        assert_eq!(traceparent(), None);
    }
}

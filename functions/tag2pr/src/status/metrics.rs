//! Numbers for those who watch: what happened since a process started.
//!
//! Labels are names from the configuration and words of ours, never something from outside: there are as many series as
//! there are sources and repositories.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::event::{Event, Kind};
use crate::endpoint::Answer;
use crate::flow::{Error, propose, sweep};
use crate::seams::{GitError, RepositoryId, StoreError};

/// The upper ends of the buckets that the time from push to proposal is sorted into, in seconds.
const BUCKETS: [f64; 11] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0];

/// What happened since a process started.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    deliveries: BTreeMap<(String, &'static str), u64>,
    pushes: u64,
    passes: BTreeMap<(String, &'static str), u64>,
    events: BTreeMap<(String, &'static str), u64>,
    held: BTreeMap<String, u64>,
    latency: Histogram,
    missed: u64,
    conflicts: u64,
    registry_calls: u64,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    sum: f64,
    count: u64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        for (bucket, end) in self.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= end);
        }
        self.sum += seconds;
        self.count += 1;
    }
}

/// How long each value of an opened or updated pull request took from its delivery, by our clock. What was opened late
/// because nobody was there to do it counts as well.
pub fn latencies(events: &[Event], now: Timestamp) -> impl Iterator<Item = SignedDuration> {
    let fresh = events.iter().filter(|event| matches!(event.kind, Kind::Opened | Kind::Updated));
    let newest = fresh.filter_map(|event| event.values.iter().filter_map(|value| value.received_at).max());
    newest.map(move |received| now.duration_since(received).max(SignedDuration::ZERO))
}

/// Whether somebody else was faster: nothing is wrong, and everything is looked at again.
pub fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Conflict(_)) | Error::Git(GitError::Moved { .. }))
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&mut self, answer: &Answer) {
        let (Some(source), Some(outcome)) = (&answer.source, answer.word()) else { return };
        *self.deliveries.entry((source.clone(), outcome)).or_default() += 1;
        if let Ok(Some(delivery)) = &answer.outcome {
            self.pushes += delivery.reading.recorded.iter().filter(|recorded| !recorded.repeated).count() as u64;
        }
    }

    /// A repository was looked at.
    pub fn proposed(&mut self, repository: &RepositoryId, result: &Result<&propose::Report, &Error>, now: Timestamp) {
        let name = repository.to_string();
        let word = match result {
            Ok(_) => "done",
            Err(error) if error.is_transient() => "unfinished",
            Err(_) => "failed",
        };
        *self.passes.entry((name.clone(), word)).or_default() += 1;
        match result {
            Ok(report) => {
                latencies(&report.events, now).for_each(|latency| self.latency.observe(latency.as_secs_f64()));
                for event in &report.events {
                    *self.events.entry((name.clone(), event.kind.word())).or_default() += 1;
                }
                self.held.insert(name, report.prepared.held() as u64);
            }
            Err(error) => self.conflicts += u64::from(is_conflict(error)),
        }
    }

    /// What registries have was listed.
    pub fn swept(&mut self, report: &sweep::Report) {
        self.missed += report.missed() as u64;
    }

    /// How many requests registries have had.
    pub fn registry_calls(&mut self, calls: u64) {
        self.registry_calls = calls;
    }

    /// Everything, as [Prometheus reads it](https://prometheus.io/docs/instrumenting/exposition_formats/).
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        let name = "tag2pr_deliveries_total";
        family(&mut text, name, "counter", "Deliveries, by source and by what was made of them.");
        for ((source, outcome), count) in &self.deliveries {
            let _ = writeln!(text, "{name}{} {count}", labels(&[("source", source), ("outcome", outcome)]));
        }
        self.counters(&mut text);
        text
    }

    fn counters(&self, text: &mut String) {
        let by_repository = |text: &mut String, name: &str, label: &str, of: &BTreeMap<(String, &'static str), u64>| {
            for ((repository, word), count) in of {
                let _ = writeln!(text, "{name}{} {count}", labels(&[("repository", repository), (label, word)]));
            }
        };
        family(text, "tag2pr_pushes_total", "counter", "Pushes and deletions that were not known before.");
        let _ = writeln!(text, "tag2pr_pushes_total {}", self.pushes);
        family(text, "tag2pr_passes_total", "counter", "Looks at a repository, by how they ended.");
        by_repository(text, "tag2pr_passes_total", "result", &self.passes);
        family(text, "tag2pr_events_total", "counter", "What happened to proposals and holds.");
        by_repository(text, "tag2pr_events_total", "event", &self.events);
        family(text, "tag2pr_held_tags", "gauge", "Tags that are held.");
        for (repository, count) in &self.held {
            let _ = writeln!(text, "tag2pr_held_tags{} {count}", labels(&[("repository", repository)]));
        }
        let name = "tag2pr_push_to_proposal_seconds";
        family(text, name, "histogram", "From a delivery to the pull request that has its newest value.");
        for (count, end) in self.latency.buckets.iter().zip(BUCKETS) {
            let _ = writeln!(text, "{name}_bucket{{le=\"{end}\"}} {count}");
        }
        let Histogram { sum, count, .. } = &self.latency;
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}");
        for (name, help, value) in [
            (
                "tag2pr_registry_calls_total",
                "Questions to registries; over the pushes, what a push costs.",
                self.registry_calls,
            ),
            ("tag2pr_missed_total", "Tags that a delivery should have brought and a sweep found.", self.missed),
            ("tag2pr_conflicts_total", "Looks that another worker was faster than.", self.conflicts),
        ] {
            family(text, name, "counter", help);
            let _ = writeln!(text, "{name} {value}");
        }
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn labels(labels: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let all: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_every_bucket_that_it_fits() {
        let mut metrics = Metrics::default();
        for seconds in [0.4, 2.0, 4_000.0] {
            metrics.latency.observe(seconds);
        }
        metrics.deliveries.insert(("har\"bor".to_owned(), "recorded"), 3);
        let text = metrics.prometheus();
        for line in [
            "tag2pr_deliveries_total{source=\"har\\\"bor\",outcome=\"recorded\"} 3",
            "tag2pr_push_to_proposal_seconds_bucket{le=\"0.5\"} 1",
            "tag2pr_push_to_proposal_seconds_bucket{le=\"2\"} 2",
            "tag2pr_push_to_proposal_seconds_bucket{le=\"3600\"} 2",
            "tag2pr_push_to_proposal_seconds_bucket{le=\"+Inf\"} 3",
            "tag2pr_push_to_proposal_seconds_count 3",
            "tag2pr_missed_total 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in:\n{text}");
        }
        let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).count();
        assert_eq!(families, 9, "each is there from the beginning, so that nothing is taken for absent");
    }
}

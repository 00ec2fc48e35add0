//! The sums of *Cost of a million pushes* in README.md, from the prices, requests and times that stand there.

use tag2pr_end_to_end::measured::{row, stands_in_the_readme};

/// USD
fn price(of: &str) -> f64 {
    row(of).parse().unwrap_or_else(|error| panic!("the price of {of}: {error}"))
}

/// The number before a word: `24` of `24 s3:GetObject, 6 s3:PutObject`.
fn before(word: &str, text: &str) -> f64 {
    let Some((front, _)) = text.split_once(word) else { return 0.0 };
    let number = front.trim_end().rsplit(' ').next().unwrap_or_default().replace(',', "");
    number.parse().unwrap_or_else(|error| panic!("`{number}` before `{word}` in `{text}`: {error}"))
}

/// One invocation without its requests: itself, its time and its log.
fn invocation(what: &str, memory: u32) -> f64 {
    let measured = row(&format!("billed time of {what}, at {memory} MB"));
    let gb_seconds = before("ms", &measured) / 1000.0 * f64::from(memory) / 1024.0;
    let log = before("bytes of log", &measured) / 1e9;
    price("Lambda: an invocation")
        + gb_seconds * price("Lambda: a GB-second, x86-64")
        + log * price("CloudWatch Logs: a GB")
}

/// The requests to S3.
fn requests(what: &str) -> f64 {
    let counted = row(&format!("requests of {what}"));
    before("s3:GetObject", &counted) * price("S3: a GET")
        + (before("s3:PutObject", &counted) + before("s3:ListBucket", &counted)) * price("S3: a PUT or LIST")
}

/// Bytes that are kept so many months.
fn kept(what: &str, months: f64) -> f64 {
    row(what).replace(',', "").parse::<f64>().unwrap() / 1e9 * months * price("S3: a GB for a month")
}

#[test]
fn the_cost_of_a_million_pushes_is_the_sum_of_its_parts() {
    let push = "`receive`: a push";
    let receive = invocation(push, 256) + requests(push) + kept("bytes of a delivery in the store", 4.0);
    let change = "`propose`: a push that changes a pull request";
    let written = kept("bytes that `propose` writes for a push that changes a pull request", 1.0);
    let propose = invocation(change, 1024) + requests(change) + written;
    let tick = "`sweep`: a tick with nothing due";
    let sweep = invocation(tick, 512) + requests(tick);
    // It is sent, taken and removed.
    let poke = 3.0 * price("SQS FIFO: a request");

    let dollars = |cost: f64| format!("**{cost:.2} USD**");
    stands_in_the_readme("**a million pushes of images that no policy names**", &dollars(1e6 * receive));
    stands_in_the_readme(
        "**a million pushes that each change a pull request**",
        &dollars(1e6 * (receive + propose + poke)),
    );
    stands_in_the_readme("**a month of the clock**", &dollars(43_200.0 * sweep));
}

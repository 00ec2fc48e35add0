//! Waiting after a lost race.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// Waits between nothing and `first`, doubled for each attempt, at most `longest`: "full jitter", as in
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
pub(crate) async fn wait(attempt: u32, first: Duration, longest: Duration) {
    let ceiling = first.saturating_mul(1 << attempt.min(20)).min(longest);
    let mut random = [u8::MAX; 4];
    // Without randomness the whole time is waited.
    let _ = SystemRandom::new().fill(&mut random);
    let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
    tokio::time::sleep(ceiling.mul_f64(share)).await;
}

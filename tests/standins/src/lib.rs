//! Servers that stand in for the outside systems in tests.
//!
//! Each keeps state, so that a test can look at the world it left behind, and can be told to fail in the ways the real
//! thing fails. What each of them must do is said by the conformance suites in `tag2pr::testing`, which the real thing
//! passes as well.

pub mod aws;
pub mod azure_devops;
pub mod bitbucket;
pub mod bitbucket_data_center;
pub mod docker_registry;
pub mod fleet;
pub mod forge;
pub mod git;
pub mod git_http;
pub mod gitea;
pub mod github;
pub mod gitlab;
pub mod oci;
pub mod openapi;
pub mod parts;
pub mod registry;
pub mod s3;
pub mod server;
pub mod signature;
pub mod sqs;
pub mod tls;

//! Deployments: Azure's old way of naming the model, in the path of an operation.

use crate::config::Provider;
use crate::config::problem::Fault;

impl Provider {
    /// True when its models are deployments: Azure's `base_url` is the resource, with or without `/openai`. With any
    /// other path, such as `/openai/v1` or `/openai/deployments/NAME`, it is taken as it is.
    #[must_use]
    pub fn has_deployments(&self) -> bool {
        let path = self.base_url.path().trim_end_matches('/');
        self.kind.default_api_version.is_some() && (path.is_empty() || path.ends_with("/openai"))
    }

    /// Checks the name of a model for requests to this provider.
    ///
    /// # Errors
    /// A name that no deployment of it can have.
    pub(crate) fn check_deployment(&self, model: &str) -> Result<(), Fault> {
        if !self.has_deployments() || is_deployment(model) {
            return Ok(());
        }
        let what = format!(
            "{model:?} cannot be a deployment of {} (expected letters, digits, '-', '.' and '_', a letter or digit first)",
            self.name
        );
        Err(Fault::new("bad-deployment-name", what, "write the deployment's name as Azure shows it"))
    }
}

/// True when a model can be the name of a deployment, which goes into a path unescaped.
#[must_use]
pub fn is_deployment(model: &str) -> bool {
    model.starts_with(|first: char| first.is_ascii_alphanumeric())
        && model.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

//! Settings of a topic or of all brokers: read, and changed one by one (KIP-339).

use callboard_model::ErrorCode;
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    DescribeConfigsRequest, DescribeConfigsResource, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource,
    IncrementalAlterableConfig, Request, Response,
};

use crate::client::{code, incomplete, judge, text};
use crate::{Client, ClientError};

const API: ApiKey = ApiKey::IncrementalAlterConfigs;
/// `AlterConfigOp.OpType` of Kafka.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Whose setting it is.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A topic's.
    Topic(&'a str),
    /// All brokers'.
    Brokers,
}

impl Resource<'_> {
    /// Kafka's `ConfigResource.Type` and name.
    fn on_the_wire(&self) -> (i8, &str) {
        match self {
            Self::Topic(name) => (2, name),
            Self::Brokers => (4, ""),
        }
    }
}

impl Client {
    /// Sets, or without a value takes away, one setting; what the node says to it.
    pub fn alter_config(
        &mut self,
        resource: Resource<'_>,
        name: &str,
        value: Option<&str>,
    ) -> Result<ErrorCode, ClientError> {
        let (kind, resource_name) = resource.on_the_wire();
        let mut config = IncrementalAlterableConfig::default();
        config.name = text(name);
        config.config_operation = if value.is_some() { SET } else { DELETE };
        config.value = value.map(text);
        let mut row = IncrementalAlterConfigsResource::default();
        row.resource_type = kind;
        row.resource_name = text(resource_name);
        row.configs = vec![config];
        let mut request = IncrementalAlterConfigsRequest::default();
        request.resources = vec![row];
        let Response::IncrementalAlterConfigs(answer) = self.call_newest(&Request::IncrementalAlterConfigs(request))?
        else {
            return Err(incomplete(API, "its own kind of answer"));
        };
        let row = answer.responses.first().ok_or_else(|| incomplete(API, resource_name))?;
        code(API, row.error_code)
    }

    /// The value of one setting; nothing if there is none of that name, or none that is told.
    pub fn describe_config(&mut self, resource: Resource<'_>, name: &str) -> Result<Option<String>, ClientError> {
        let api = ApiKey::DescribeConfigs;
        let (kind, resource_name) = resource.on_the_wire();
        let mut row = DescribeConfigsResource::default();
        row.resource_type = kind;
        row.resource_name = text(resource_name);
        row.configuration_keys = Some(vec![text(name)]);
        let mut request = DescribeConfigsRequest::default();
        request.resources = vec![row];
        let Response::DescribeConfigs(answer) = self.call_newest(&Request::DescribeConfigs(request))? else {
            return Err(incomplete(api, "its own kind of answer"));
        };
        let row = answer.results.first().ok_or_else(|| incomplete(api, resource_name))?;
        judge(api, row.error_code, row.error_message.as_deref())?;
        Ok(row.configs.first().and_then(|config| config.value.as_deref().map(str::to_owned)))
    }
}

//! DescribeConfigs (32), 1-4; AlterConfigs (33), 0-2; IncrementalAlterConfigs (44), 0-1.

use callboard_controller::{
    AlterConfigs, ConfigEntry, ConfigOp, ConfigResource, Controller, DescribeConfigs, IncrementalAlterConfigs,
};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse, DescribeConfigsRequest,
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use super::PATIENCE;
use super::topics::each;
use crate::controller::ControllerMessage;
use crate::gateway::services::Services;

fn resource(resource_type: i8, name: &StrBytes) -> ConfigResource {
    ConfigResource { resource_type, name: name.to_string() }
}

/// Answered from what this broker has applied: nothing has to be decided.
pub(super) fn describe(request: &DescribeConfigsRequest, services: &Services) -> DescribeConfigsResponse {
    let view = Controller::new(services.me, services.settings.clone(), services.now().image);
    let asked: Vec<_> = request
        .resources
        .iter()
        .map(|asked| DescribeConfigs {
            resource: resource(asked.resource_type, &asked.resource_name),
            keys: asked.configuration_keys.as_ref().map(|keys| keys.iter().map(|key| key.to_string()).collect()),
        })
        .collect();
    let mut response = DescribeConfigsResponse::default();
    for (asked, result) in request.resources.iter().zip(view.describe_configs(&asked)) {
        let mut row = DescribeConfigsResult::default();
        row.resource_type = asked.resource_type;
        row.resource_name = asked.resource_name.clone();
        match result {
            Ok(configs) => row.configs = configs.into_iter().map(|config| entry(config, request)).collect(),
            Err(error) => {
                row.error_code = error.code.code();
                row.error_message = Some(StrBytes::from(error.message));
            }
        }
        response.results.push(row);
    }
    response
}

fn entry(config: ConfigEntry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let mut row = DescribeConfigsResourceResult::default();
    row.name = StrBytes::from(config.name);
    row.value = config.value.map(StrBytes::from);
    row.read_only = config.read_only;
    row.config_source = config.source.number();
    row.is_sensitive = config.sensitive;
    row.config_type = config.config_type.number();
    if request.include_documentation {
        row.documentation = Some(StrBytes::from(config.documentation));
    }
    if request.include_synonyms {
        for synonym in config.synonyms {
            let mut one = DescribeConfigsSynonym::default();
            one.name = StrBytes::from(synonym.name);
            one.value = synonym.value.map(StrBytes::from);
            one.source = synonym.source.number();
            row.synonyms.push(one);
        }
    }
    row
}

pub(super) async fn alter(request: AlterConfigsRequest, services: &Services) -> AlterConfigsResponse {
    let resources = request
        .resources
        .iter()
        .map(|asked| AlterConfigs {
            resource: resource(asked.resource_type, &asked.resource_name),
            configs: asked
                .configs
                .iter()
                .map(|config| (config.name.to_string(), config.value.as_ref().map(|value| value.to_string())))
                .collect(),
        })
        .collect();
    let validate_only = request.validate_only;
    let answer =
        services.control(PATIENCE, |reply| ControllerMessage::AlterConfigs { resources, validate_only, reply }).await;
    let mut response = AlterConfigsResponse::default();
    for (asked, result) in request.resources.into_iter().zip(each(answer)) {
        let mut row = AlterConfigsResourceResponse::default();
        row.resource_type = asked.resource_type;
        row.resource_name = asked.resource_name;
        if let Err((code, message)) = result {
            row.error_code = code.code();
            row.error_message = message.map(StrBytes::from);
        }
        response.responses.push(row);
    }
    response
}

pub(super) async fn alter_incrementally(
    request: IncrementalAlterConfigsRequest,
    services: &Services,
) -> IncrementalAlterConfigsResponse {
    let resources = request
        .resources
        .iter()
        .map(|asked| IncrementalAlterConfigs {
            resource: resource(asked.resource_type, &asked.resource_name),
            ops: asked
                .configs
                .iter()
                .map(|config| ConfigOp {
                    key: config.name.to_string(),
                    operation: config.config_operation,
                    value: config.value.as_ref().map(|value| value.to_string()),
                })
                .collect(),
        })
        .collect();
    let validate_only = request.validate_only;
    let answer = services
        .control(PATIENCE, |reply| ControllerMessage::IncrementalAlterConfigs { resources, validate_only, reply })
        .await;
    let mut response = IncrementalAlterConfigsResponse::default();
    for (asked, result) in request.resources.into_iter().zip(each(answer)) {
        let mut row = IncrementalAlterConfigsResourceResponse::default();
        row.resource_type = asked.resource_type;
        row.resource_name = asked.resource_name;
        if let Err((code, message)) = result {
            row.error_code = code.code();
            row.error_message = message.map(StrBytes::from);
        }
        response.responses.push(row);
    }
    response
}

//! DescribeClientQuotas (48), 0-1: none are set. AlterClientQuotas (49), 0-1: refused, rather than taken and ignored.

use callboard_gateway::quota::{Component, check_filter, refuse_change};
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
    alter_client_quotas_response::{EntityData, EntryData},
};

pub(super) fn describe(request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let components: Vec<Component<'_>> = request
        .components
        .iter()
        .map(|component| Component {
            entity_type: &component.entity_type,
            match_type: component.match_type,
            name: component.match_.as_deref(),
        })
        .collect();
    let mut response = DescribeClientQuotasResponse::default();
    // Kafka has an empty message where no error is.
    response.error_message = Some(StrBytes::default());
    match check_filter(&components) {
        Ok(()) => response.entries = Some(Vec::new()),
        Err((code, words)) => {
            response.error_code = code.code();
            response.error_message = Some(StrBytes::from(words));
            response.entries = None;
        }
    }
    response
}

pub(super) fn alter(request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let mut response = AlterClientQuotasResponse::default();
    for entry in request.entries {
        let (code, words) = refuse_change(entry.entity.iter().map(|entity| &*entity.entity_type));
        let mut row = EntryData::default();
        row.error_code = code.code();
        row.error_message = Some(StrBytes::from(words));
        for entity in entry.entity {
            let mut data = EntityData::default();
            data.entity_type = entity.entity_type;
            data.entity_name = entity.entity_name;
            row.entity.push(data);
        }
        response.entries.push(row);
    }
    response
}

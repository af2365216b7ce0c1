//! DescribeAcls (29), CreateAcls (30), DeleteAcls (31), 1-3: there is no authoriser, and an empty success would pretend
//! that there is (Kafka: `AclApis`, `ControllerApis`).

use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsResponse,
    create_acls_response::AclCreationResult, delete_acls_response::DeleteAclsFilterResult,
};

pub(super) fn describe() -> DescribeAclsResponse {
    let mut response = DescribeAclsResponse::default();
    response.error_code = ErrorCode::SecurityDisabled.code();
    response.error_message = Some(StrBytes::from("No Authorizer is configured on the broker"));
    response
}

pub(super) fn create(request: &CreateAclsRequest) -> CreateAclsResponse {
    let mut response = CreateAclsResponse::default();
    response.results = request.creations.iter().map(|_| refused()).collect();
    response
}

fn refused() -> AclCreationResult {
    let mut row = AclCreationResult::default();
    row.error_code = ErrorCode::SecurityDisabled.code();
    row.error_message = Some(StrBytes::from(NO_AUTHORISER));
    row
}

pub(super) fn delete(request: &DeleteAclsRequest) -> DeleteAclsResponse {
    let mut response = DeleteAclsResponse::default();
    let refused = || {
        let mut row = DeleteAclsFilterResult::default();
        row.error_code = ErrorCode::SecurityDisabled.code();
        row.error_message = Some(StrBytes::from(NO_AUTHORISER));
        row
    };
    response.filter_results = request.filters.iter().map(|_| refused()).collect();
    response
}

const NO_AUTHORISER: &str = "No Authorizer is configured.";

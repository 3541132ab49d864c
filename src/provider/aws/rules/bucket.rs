//! `aws/s3`: a bucket.

use super::{fields, rules, text};
use crate::diagnostic::Diagnostics;
use crate::graph::{Data, Expanded, Field, FieldType, KindRules, Outputs, Replace};
use crate::model::Milliseconds;

pub(super) fn kinds() -> Vec<KindRules> {
    vec![s3()]
}

/// Names are unique in the world: a create of a name that is ours already answers so.
fn s3() -> KindRules {
    KindRules {
        fields: fields(&[
            ("versioning", Field::in_place(FieldType::Flag)),
            ("public", Field::in_place(FieldType::Flag)),
            ("expire_days", Field::in_place(FieldType::Whole(1, 36_500))),
            ("encryption", Field::in_place(FieldType::OneOf(&["AES256", "aws:kms"]))),
            ("kms_key", Field::in_place(text())),
        ]),
        outputs: Outputs::from_identity(&["bucket", "arn", "host"]),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds::seconds(2),
        expand: |component, _| (Expanded::one(component, &["bucket", "arn", "host"]), Diagnostics::new()),
        ..rules("aws/s3", "a bucket of S3")
    }
}

//! Why the guard said no.

use base::{Class, Country, Purpose};

/// Why something may not happen. The texts name no corpus, document or person that the asker may not know of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The corpus does not exist for this principal: it is another tenant's, or has other readers.
    ///
    /// Doors answer this as if the corpus did not exist at all.
    #[error("no such corpus")]
    NotVisible,
    /// Nothing was named to be searched.
    #[error("a search needs at least one corpus")]
    NothingNamed,
    /// The corpus's class is above what the principal may read.
    #[error("this needs clearance for `{class}` records")]
    Clearance {
        /// The class that is needed.
        class: Class,
    },
    /// The label does not allow this use.
    #[error("these records may not be used for `{purpose}`")]
    Purpose {
        /// The use that was asked for.
        purpose: Purpose,
    },
    /// The engine runs where the text may not be processed.
    #[error("this text may not be processed in `{country}`")]
    Border {
        /// Where the engine runs.
        country: Country,
    },
    /// The text's class is above what the engine may see.
    #[error("engine `{engine}` may not see `{class}` text")]
    EngineClass {
        /// The engine's name.
        engine: String,
        /// The text's class.
        class: Class,
    },
    /// A text does not fit the permit it was shown with.
    #[error("the text's label is stricter than the permit's")]
    OutsidePermit,
    /// The corpus has readers, and the principal, who may know of it, is none of them.
    #[error("this corpus has other readers")]
    Readers,
    /// What happens cannot be recorded, so nothing may.
    #[error("what happens cannot be recorded now, so nothing is answered")]
    Unrecorded,
    /// Only the operator may do this.
    #[error("only the operator may do this")]
    OperatorOnly,
    /// Only a key that may administer may do this.
    #[error("this needs a key that may administer")]
    AdministratorOnly,
    /// Only those who administer the house's own tenant may do this.
    #[error("this needs a key that may administer the house's own tenant")]
    HouseOnly,
    /// Nobody hands out more than what is his.
    #[error("an administrator's key makes no key that reads `{class}` records, or that sends text of a lower class")]
    Grant {
        /// The class that was asked for.
        class: Class,
    },
    /// A policy of the institution forbids it.
    #[error("{en}")]
    Policy {
        /// The policies that forbid it, by id.
        policies: Vec<String>,
        /// Why, in Korean.
        ko: String,
        /// Why, in English.
        en: String,
    },
    /// No policy of the institution permits it.
    #[error("no policy permits this")]
    NoPolicy,
    /// A policy could not be evaluated. What cannot be decided is not allowed.
    #[error("the policies could not decide this, so it is refused")]
    Undecided,
    /// Personal data must be masked before this text goes.
    #[error("personal data in this text must be masked before it goes to `{engine}`")]
    MaskFirst {
        /// Where the text was to go.
        engine: String,
    },
    /// The links and images of an answer could not be made inert, so it goes no further.
    #[error("the links and images of this answer could not be made inert, so it ends here")]
    Uncontained,
    /// Personal data in an answer could not be hidden, so it goes no further.
    #[error("personal data in this answer could not be hidden, so it ends here")]
    Unhidden,
    /// A person must approve first.
    #[error("somebody of `{group}` must approve this first")]
    ApprovalFirst {
        /// The group that approves.
        group: String,
    },
    /// An approval does not count: by the asker, by somebody outside the group, for something else, or too old.
    #[error("this approval does not count: {reason}")]
    Approval {
        /// Why not.
        reason: &'static str,
    },
    /// A class is lowered only to a lower one, with a reason.
    #[error("this is no declassification: {reason}")]
    Declassification {
        /// Why not.
        reason: &'static str,
    },
}

impl Refusal {
    /// The same in Korean.
    pub fn ko(&self) -> String {
        match self {
            Refusal::NotVisible => "그런 말뭉치가 없습니다".to_owned(),
            Refusal::NothingNamed => "검색하려면 말뭉치가 하나는 있어야 합니다".to_owned(),
            Refusal::Clearance { class } => format!("`{class}` 등급을 볼 수 있는 권한이 필요합니다"),
            Refusal::Purpose { purpose } => format!("이 기록은 `{purpose}`에 쓸 수 없습니다"),
            Refusal::Border { country } => format!("이 글은 `{country}`에서 처리할 수 없습니다"),
            Refusal::EngineClass { engine, class } => format!("`{engine}` 엔진은 `{class}` 등급의 글을 볼 수 없습니다"),
            Refusal::OutsidePermit => "글의 라벨이 허가보다 엄격합니다".to_owned(),
            Refusal::Readers => "이 말뭉치는 읽는 이가 따로 있습니다".to_owned(),
            Refusal::Unrecorded => "지금은 일어난 일을 기록할 수 없어 아무것도 답하지 않습니다".to_owned(),
            Refusal::OperatorOnly => "운영자만 할 수 있습니다".to_owned(),
            Refusal::AdministratorOnly => "관리할 수 있는 키가 필요합니다".to_owned(),
            Refusal::HouseOnly => "이 설치를 가진 기관을 관리하는 키가 필요합니다".to_owned(),
            Refusal::Grant { class } => {
                format!("관리자의 키로는 `{class}` 등급을 읽거나 더 낮은 등급으로 글을 보내는 키를 만들 수 없습니다")
            }
            Refusal::Policy { ko, .. } => ko.clone(),
            Refusal::NoPolicy => "이를 허용하는 정책이 없습니다".to_owned(),
            Refusal::Undecided => "정책이 판단하지 못하여 거절합니다".to_owned(),
            Refusal::MaskFirst { engine } => format!("개인정보를 가린 뒤에 `{engine}`에 보낼 수 있습니다"),
            Refusal::Uncontained => "답의 링크와 그림을 막을 수 없어 여기서 끝냅니다".to_owned(),
            Refusal::Unhidden => "답에서 개인정보를 가릴 수 없어 여기서 끝냅니다".to_owned(),
            Refusal::ApprovalFirst { group } => format!("먼저 `{group}`의 승인이 필요합니다"),
            Refusal::Approval { reason } => format!("이 승인은 쓸 수 없습니다: {reason}"),
            Refusal::Declassification { reason } => format!("등급을 낮출 수 없습니다: {reason}"),
        }
    }

    /// The reason as one word, for receipts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotVisible => "not_visible",
            Self::NothingNamed => "nothing_named",
            Self::Clearance { .. } => "clearance",
            Self::Purpose { .. } => "purpose",
            Self::Border { .. } => "border",
            Self::EngineClass { .. } => "engine_class",
            Self::OutsidePermit => "outside_permit",
            Self::Readers => "readers",
            Self::Unrecorded => "unrecorded",
            Self::OperatorOnly | Self::AdministratorOnly | Self::HouseOnly => "role",
            Self::Grant { .. } => "grant",
            Self::Policy { .. } => "policy",
            Self::NoPolicy => "no_policy",
            Self::Undecided => "undecided",
            Self::MaskFirst { .. } => "mask_first",
            Self::Uncontained => "uncontained",
            Self::Unhidden => "unhidden",
            Self::ApprovalFirst { .. } | Self::Approval { .. } => "approval",
            Self::Declassification { .. } => "declassification",
        }
    }
}

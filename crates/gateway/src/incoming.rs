//! Bodies that are files: read in pieces, bounded, and on the disk before anything looks at them.

use std::error::Error;

use axum::RequestExt;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use corpus::Upload;
use futures::StreamExt;

use crate::App;
use crate::error::ApiError;

/// Fields of a form that are no files, and the bytes of each.
const FIELDS_MAX: usize = 32;
const FIELD_BYTES_MAX: usize = 64 << 10;

/// A form with its files.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) upload: Upload,
    fields: Vec<(String, String)>,
}

impl Form {
    /// A field that is no file.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The body as one file.
pub(crate) async fn whole(app: &App, path: &str, request: Request) -> Result<Upload, ApiError> {
    let mut upload = app.corpora.begin_upload().await?;
    upload.begin(path);
    let mut body = request.into_limited_body().into_data_stream();
    while let Some(part) = body.next().await {
        upload.write(&part.map_err(|error| broken_body(&error))?).await?;
    }
    Ok(upload)
}

/// A form with at least one file and at most `files_max`.
pub(crate) async fn form(app: &App, request: Request, files_max: usize) -> Result<Form, ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Err(ApiError::invalid("files come as `multipart/form-data`"));
    }
    let mut parts =
        Multipart::from_request(request, &()).await.map_err(|error| ApiError::invalid(error.body_text()))?;
    let mut form = Form { upload: app.corpora.begin_upload().await?, fields: Vec::new() };
    while let Some(mut field) = parts.next_field().await.map_err(|error| broken_form(&error))? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            if form.fields.len() >= FIELDS_MAX {
                return Err(ApiError::invalid(format!("a form has at most {FIELDS_MAX} fields beside its files")));
            }
            let name = field.name().unwrap_or_default().to_owned();
            form.fields.push((name, text(field).await?));
            continue;
        };
        if form.upload.records() >= files_max {
            return Err(ApiError::invalid(format!("a form has at most {files_max} files here")));
        }
        form.upload.begin(&name);
        while let Some(part) = field.chunk().await.map_err(|error| broken_form(&error))? {
            form.upload.write(&part).await?;
        }
    }
    if form.upload.records() == 0 { Err(ApiError::invalid("the form has no file")) } else { Ok(form) }
}

async fn text(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(part) = field.chunk().await.map_err(|error| broken_form(&error))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(ApiError::invalid(format!("a field that is no file has at most {FIELD_BYTES_MAX} bytes")));
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::invalid("a field of the form is not UTF-8"))
}

fn broken_form(error: &MultipartError) -> ApiError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::BodyTooLarge,
        _ => ApiError::invalid("the form did not arrive whole, or is none"),
    }
}

fn broken_body(error: &axum::Error) -> ApiError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return ApiError::BodyTooLarge;
        }
        source = error.source();
    }
    ApiError::invalid("the body did not arrive whole")
}

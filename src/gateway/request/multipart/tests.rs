use bytes::Buf as _;
use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=xx";

fn form(kind: &str, body: impl AsRef<[u8]>) -> Result<Form, String> {
    let kind = HeaderValue::from_str(kind).unwrap();
    Form::of(Some(&kind), body.as_ref(), None).map_err(|error| error.to_string())
}

fn sent(form: &Form, model: &str, body: impl AsRef<[u8]>) -> Bytes {
    let mut body = form.body_for(model, Bytes::copy_from_slice(body.as_ref()));
    body.copy_to_bytes(body.remaining())
}

fn field(name: &str, value: &str) -> String {
    format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

#[test]
fn the_two_fields_are_read_and_the_model_is_replaced_in_its_place() {
    let file = "--xx\r\ncontent-type: audio/wav\r\nCONTENT-DISPOSITION:form-data;filename=\"a\\\"; name=x.wav\" ; Name = file\r\n\
                \r\n\r\n--x\r\n\r\nname=\"model\"\r\n";
    let body =
        format!("preamble\r\n{file}{}{}--xx--\r\n", field("model", "up/whisper"), field("stream", "True"));
    for kind in
        [TYPE, "Multipart/Form-Data ; charset=utf-8; Boundary=\"xx\"", "multipart/form-data;boundary=xx ;a=b"]
    {
        let read = form(kind, &body).unwrap();
        assert_eq!((read.model.as_str(), read.stream), ("up/whisper", true), "{kind}");
        let sent = sent(&read, "whisper", &body);
        assert_eq!(sent, body.replace("up/whisper", "whisper"));
        assert_eq!(self::sent(&read, "up/whisper", &body), body);
    }
    let read = form(TYPE, field("model", "") + "--xx \t\r\n\r\nno name\r\n--xx--").unwrap();
    assert_eq!(sent(&read, "m", field("model", "")), field("model", "m"));
}

#[test]
fn a_model_in_the_path_is_written_into_the_form() {
    let kind = HeaderValue::from_static(TYPE);
    let file = field("file", "x");
    let expected = field("model", "m");
    for (body, expected) in [
        (format!("{file}--xx--"), format!("{expected}{file}--xx--")),
        (format!("preamble\r\n{file}--xx--"), format!("preamble\r\n{expected}{file}--xx--")),
        (format!("{}{file}--xx--", field("model", "other")), format!("{expected}{file}--xx--")),
    ] {
        let read = Form::of(Some(&kind), body.as_bytes(), Some("named")).unwrap();
        assert_eq!(read.model, "named");
        let sent = sent(&read, "m", &body);
        assert_eq!(sent.to_ascii_lowercase(), expected.to_ascii_lowercase().as_bytes());
        let again = Form::of(Some(&kind), &sent, None).unwrap();
        assert_eq!(again.model, "m");
    }
}

#[test]
fn bodies_that_are_not_forms_are_refused() {
    let model = field("model", "m");
    for kind in [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=xx",
    ] {
        let message = "The body must be a form: send Content-Type multipart/form-data with its boundary.";
        assert_eq!(form(kind, &model), Err(message.into()), "{kind}");
    }
    let duplicate = "Duplicate boundary in the form's Content-Type; name it once.";
    assert_eq!(form("multipart/form-data; boundary=xx; Boundary=\"yy\"", &model), Err(duplicate.into()));
    for (body, message) in [
        (String::new(), "The form is malformed: its boundary does not stand in it."),
        (format!("x{model}--xx--"), "`model` is missing: name the model to use."),
        (
            format!("--xxx{model}--xx--"),
            "The form is malformed: a boundary is followed by something else than a line break.",
        ),
        (model.clone(), "The form is malformed: its last part has no end."),
        (
            format!("{model}--xx"),
            "The form is malformed: a boundary is followed by something else than a line break.",
        ),
        ("--xx\r\nA: b\r\n--xx--".into(), "The form is malformed: the headers of a part have no end."),
        (format!("{}--xx--", field("file", "m")), "`model` is missing: name the model to use."),
        (
            field("model\"; filename=\"f\"; NAME=\"file", "m") + "--xx--",
            "The form is malformed: a part has two names.",
        ),
        (
            field("model", "m").replace("\r\n\r\n", "\r\nContent-Disposition: form-data; name=file\r\n\r\n")
                + "--xx--",
            "The form is malformed: a part has two names.",
        ),
        (
            model.replace("Content-Disposition", "Content Disposition") + "--xx--",
            "The form is malformed: the headers of a part are invalid.",
        ),
        (
            model.replace("\r\n\r\n", "\n\n\r\n\r\n") + "--xx--",
            "The form is malformed: the headers of a part are invalid.",
        ),
        (
            field("model", "m").replace("\r\n\r\n", &format!("{}\r\n\r\n", "\r\nX: y".repeat(16))) + "--xx--",
            "The form is malformed: the headers of a part are invalid.",
        ),
        (format!("{model}{model}--xx--"), "Duplicate field `model` in the form; send it once."),
        (format!("{model}{}--xx--", field("stream", "1")), "`stream` must be true or false."),
    ] {
        assert_eq!(form(TYPE, &body), Err(message.into()), "{body}");
    }
    let bad =
        [b"--xx\r\ncontent-disposition: form-data; name=model\r\n\r\n\xff\r\n--xx--".as_slice()].concat();
    assert_eq!(form(TYPE, bad), Err("`model` must be a string.".into()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(prop_oneof![Just(b"\r\n--xx".to_vec()),
        Just(b"\r\n\r\n".to_vec()), Just(b"content-disposition: form-data; name=\"model".to_vec()), any::<Vec<u8>>()], 0..12)) {
        drop(form(TYPE, body.concat()));
    }

    #[test]
    fn any_file_passes_around_the_model(file in any::<Vec<u8>>(), model in "[^\r\n]{0,20}") {
        prop_assume!(memmem::find(&file, b"\r\n--xx").is_none());
        let body = [b"--xx\r\ncontent-disposition: form-data; name=file\r\n\r\n", &*file, b"\r\n",
            field("model", &model).as_bytes(), b"--xx--\r\n"].concat();
        let read = form(TYPE, &body).unwrap();
        prop_assert_eq!(&read.model, &model);
        let sent = sent(&read, "other", &body);
        let back = Form::of(Some(&HeaderValue::from_static(TYPE)), &sent, None).unwrap();
        prop_assert_eq!(self::sent(&back, &model, &sent), body);
    }
}

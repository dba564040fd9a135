//! What the server and the helper say to each other: frames of one size each way, over a socket
//! that keeps their borders. A frame of another size or version ends the talk.

use super::super::UserName;
use super::super::pam::{Answer, Outcome, Question, ServiceName};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Bytes of a frame from the server.
pub(super) const QUESTION_LEN: usize = 640;
/// Bytes of a frame from the helper.
pub(super) const ANSWER_LEN: usize = 544;

/// Numbers a question; its answer carries the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct QuestionId(pub(super) u64);

/// What the helper says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Word {
    /// An answer.
    Answer(QuestionId, Answer),
    /// It has given up what it does not need, and listens.
    Ready,
    /// It cannot do its work.
    Unfit(String),
}

/// Writes a question.
pub(super) fn encode_question(id: QuestionId, question: &Question) -> Zeroizing<Vec<u8>> {
    let mut frame = Zeroizing::new(Vec::with_capacity(QUESTION_LEN));
    let kind = if question.password.is_some() { KIND_USERNAME } else { KIND_ADDRESS };
    frame.extend_from_slice(&[VERSION, kind]);
    frame.extend_from_slice(&id.0.to_le_bytes());
    put(&mut frame, question.service.as_str().as_bytes());
    put(&mut frame, question.user.as_str().as_bytes());
    put(&mut frame, question.password.as_ref().map_or(&[], |password| password.as_slice()));
    put(&mut frame, question.client.to_string().as_bytes());
    frame.resize(QUESTION_LEN, 0);
    frame
}

/// Reads a question; `None` if it is none.
pub(super) fn decode_question(frame: &[u8]) -> Option<(QuestionId, Question)> {
    let mut rest = (frame.len() == QUESTION_LEN).then_some(frame)?;
    let (version, kind) = (take_byte(&mut rest)?, take_byte(&mut rest)?);
    let id = QuestionId(u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?));
    let service: ServiceName = text(&mut rest)?.parse().ok()?;
    let user: UserName = text(&mut rest)?.parse().ok()?;
    let password = Zeroizing::new(take_field(&mut rest)?.to_vec());
    let client: IpAddr = text(&mut rest)?.parse().ok()?;
    let password = match (version, kind) {
        (VERSION, KIND_ADDRESS) => None,
        (VERSION, KIND_USERNAME) => Some(password),
        _ => return None,
    };
    Some((id, Question { service, user, password, client }))
}

/// Writes what the helper says.
pub(super) fn encode_word(word: &Word) -> Vec<u8> {
    let (kind, id, code, user, message) = match word {
        Word::Answer(id, answer) => (
            outcome_code(answer.outcome),
            id.0,
            answer.code,
            answer.user.as_slice(),
            answer.message.as_slice(),
        ),
        Word::Ready => (KIND_READY, 0, 0, &[][..], &[][..]),
        Word::Unfit(why) => (KIND_UNFIT, 0, 0, &[][..], why.as_bytes()),
    };
    let mut frame = Vec::with_capacity(ANSWER_LEN);
    frame.extend_from_slice(&[VERSION, kind]);
    frame.extend_from_slice(&id.to_le_bytes());
    frame.extend_from_slice(&code.to_le_bytes());
    put(&mut frame, user);
    put(&mut frame, message);
    frame.resize(ANSWER_LEN, 0);
    frame
}

/// Reads what the helper says; `None` if it is nothing.
pub(super) fn decode_word(frame: &[u8]) -> Option<Word> {
    let mut rest = (frame.len() == ANSWER_LEN).then_some(frame)?;
    if take_byte(&mut rest)? != VERSION {
        return None;
    }
    let kind = take_byte(&mut rest)?;
    let id = QuestionId(u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?));
    let code = i32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
    let user = take_field(&mut rest)?.to_vec();
    let message = take_field(&mut rest)?.to_vec();
    match kind {
        KIND_READY => Some(Word::Ready),
        KIND_UNFIT => Some(Word::Unfit(String::from_utf8_lossy(&message).into_owned())),
        _ => Some(Word::Answer(id, Answer { outcome: outcome_of(kind)?, code, user, message })),
    }
}

/// A length and that many bytes, at most 255: more is cut, which only messages can be.
fn put(frame: &mut Vec<u8>, field: &[u8]) {
    let length = u8::try_from(field.len()).unwrap_or(u8::MAX);
    frame.push(length);
    frame.extend(field.iter().take(length.into()));
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    take(rest, 1)?.first().copied()
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_byte(rest)?;
    take(rest, length.into())
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(take_field(rest)?).ok()
}

fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Accepted => 0,
        Outcome::Refused => 1,
        Outcome::Failed => 2,
        Outcome::TimedOut => 3,
        Outcome::Crashed => 4,
        Outcome::Busy => 5,
    }
}

fn outcome_of(code: u8) -> Option<Outcome> {
    Some(match code {
        0 => Outcome::Accepted,
        1 => Outcome::Refused,
        2 => Outcome::Failed,
        3 => Outcome::TimedOut,
        4 => Outcome::Crashed,
        5 => Outcome::Busy,
        _ => return None,
    })
}

const VERSION: u8 = 1;
const KIND_USERNAME: u8 = 1;
const KIND_ADDRESS: u8 = 2;
const KIND_READY: u8 = 16;
const KIND_UNFIT: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_question_arrives_as_it_was_sent(
            service in "[a-z][a-z0-9._-]{0,63}",
            user in "[^\\p{Cc}]{1,60}",
            password in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..=255)),
            client in any::<[u8; 16]>(),
            id in any::<u64>(),
        ) {
            let question = Question {
                service: service.parse().unwrap(),
                user: user.parse().unwrap(),
                password: password.map(Zeroizing::new),
                client: IpAddr::from(client),
            };
            let frame = encode_question(QuestionId(id), &question);
            prop_assert_eq!(frame.len(), QUESTION_LEN);
            let (got_id, got) = decode_question(&frame).unwrap();
            prop_assert_eq!(got_id, QuestionId(id));
            prop_assert_eq!(got.service, question.service);
            prop_assert_eq!(got.user, question.user);
            prop_assert_eq!(got.password, question.password);
            prop_assert_eq!(got.client, question.client);
        }

        #[test]
        fn an_answer_arrives_as_it_was_sent(
            code in any::<i32>(),
            kind in 0_u8..6,
            user in proptest::collection::vec(any::<u8>(), 0..=255),
            message in proptest::collection::vec(any::<u8>(), 0..=255),
        ) {
            let answer = Answer { outcome: outcome_of(kind).unwrap(), code, user, message };
            let word = Word::Answer(QuestionId(7), answer);
            prop_assert_eq!(decode_word(&encode_word(&word)), Some(word));
        }

        #[test]
        fn no_bytes_make_it_stumble(frame in proptest::collection::vec(any::<u8>(), 0..=700)) {
            let _ = decode_question(&frame);
            let _ = decode_word(&frame);
            let mut exact = frame;
            exact.resize(QUESTION_LEN, 1);
            let _ = decode_question(&exact);
        }
    }
}

//! The tokens of a macro's call, which are no syntax tree.

use syn::{
    Macro,
    buffer::{Cursor, TokenBuffer},
};

#[derive(Debug, PartialEq, Eq)]
pub enum Token {
    Name(String),
    Sign(char),
    /// The beginning of what stands in brackets.
    Open,
    /// Its end.
    Close,
    /// A number or a text.
    Literal,
}

/// All tokens of the call, in their order.
pub fn tokens(call: &Macro) -> Vec<Token> {
    let mut found = Vec::new();
    collect(TokenBuffer::new2(call.tokens.clone()).begin(), &mut found);
    found
}

fn collect(mut cursor: Cursor, found: &mut Vec<Token>) {
    while !cursor.eof() {
        cursor = if let Some((ident, next)) = cursor.ident() {
            found.push(Token::Name(ident.to_string()));
            next
        } else if let Some((sign, next)) = cursor.punct() {
            found.push(Token::Sign(sign.as_char()));
            next
        } else if let Some((inside, _, _, next)) = cursor.any_group() {
            found.push(Token::Open);
            collect(inside, found);
            found.push(Token::Close);
            next
        } else if let Some((_, next)) = cursor.token_tree() {
            found.push(Token::Literal);
            next
        } else {
            return;
        };
    }
}

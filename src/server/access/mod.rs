//! Who may ask what: the Host and Origin of a request, tokens, browsers that are signed in, and scopes.
//!
//! Everything is refused before a body is read. A token is needed on loopback too (THREATS.md T37): other users of the
//! machine reach it there, and so do web pages in the user's own browser (T36).

mod cookie;
mod guard;
mod host;
mod issued;
mod scope;
mod sign_in;
mod token;
mod worlds;

pub use cookie::{name as cookie_name, set as set_cookie};
pub(super) use guard::WORLD;
pub use guard::{Access, Known, Need, Needs, Of, guard};
pub use host::Hosts;
pub use issued::{DAYS, DAYS_MAX, Issued, KEPT_MAX, NotIssued, Token};
pub use scope::{Caller, Scope};
pub use sign_in::{SESSION_SECONDS, SignIns};
pub use token::{Grant, Tokens, new_token};
pub use worlds::Worlds;

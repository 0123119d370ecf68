//! onelogin

//! Stories: the real program as people and machines meet it, with real processes, a real PostgreSQL and a real load. Each
//! has a home and a project of its own, and leaves nothing behind.

mod guestbook;
mod hello;
mod home;
mod kills;
mod load;
mod mistakes;
mod reboot;
mod worlds;

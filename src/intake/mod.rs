//! What nudges stacks from outside: the folder watch.

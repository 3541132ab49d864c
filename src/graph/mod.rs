//! What should be: nodes, what they need, and the rules of their kinds.

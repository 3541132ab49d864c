//! The traits between meaning and the rooms, and the types that cross them. No SDK's type stands here.

//! Where rows, blobs and events are kept.

"""Delta tables at pinned versions, read without a JVM: filters, streams, shuffles."""

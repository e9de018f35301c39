"""The landing zone: files of any kind, by received day. Shared by every stage that reads landed files."""

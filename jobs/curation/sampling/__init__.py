"""Phase III: draw a sample that meets all constraints at once, or name those in conflict."""

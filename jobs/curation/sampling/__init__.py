"""Phase III: draws a sample that meets all constraints at once, or names the constraints in conflict."""

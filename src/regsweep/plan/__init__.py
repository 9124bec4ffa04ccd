"""What would be deleted and why: roots, the mark, what is condemned, and the file that says so."""

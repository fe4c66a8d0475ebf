"""What two models, two files or two reports have that the other has not."""

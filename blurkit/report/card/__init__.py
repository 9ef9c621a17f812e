"""What a finished dataset says of itself: a card with a picture for people, and a description for programs."""

"""What all endpoints share: parameters, answers, errors, pages of lists, routes."""

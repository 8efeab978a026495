"""`hub replay FILE`: a sales history goes through the HTTP door as events, once, at any speed."""

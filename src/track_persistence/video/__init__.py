"""Real footage: MOT readers, 2D trackers, crops and scores against labels."""

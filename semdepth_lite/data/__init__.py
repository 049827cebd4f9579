"""Where triplets come from: the street, KITTI, your own frames."""

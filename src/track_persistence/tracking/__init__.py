"""The persistence filter and the integrated 3D tracker."""

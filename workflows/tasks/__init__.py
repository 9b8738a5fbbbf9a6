"""The steps flows are made of. Task modules do not know each other."""

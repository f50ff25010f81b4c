// ChaperoneTesting

// RequirementTraits

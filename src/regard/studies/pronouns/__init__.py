"""The pronoun puzzle from inside: who may look at whom, and which pronoun the model then says."""

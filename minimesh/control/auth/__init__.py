"""What the providers of [auth.*] stand on: keys of issuers, files of passwords, keys that were given out."""

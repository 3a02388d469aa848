"""Pictures that admins upload, made into what notifications show: small, once, in a process of their own."""

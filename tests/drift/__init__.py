"""A random hand that changes what hold keeps, and a picture that tells whether it came back."""

# only its declaration is read

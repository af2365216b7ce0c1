module callboard/scenario

go 1.26

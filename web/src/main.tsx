document.title = "drover";

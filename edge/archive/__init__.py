"""Archives of very many pictures, on one machine or many: what is known is kept, and each picture is answered once."""
